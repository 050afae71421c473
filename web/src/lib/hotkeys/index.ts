export { keycaps } from './display';
export { areSingleKeysOn, type Hotkey, setSingleKeysOn } from './registry';
export { useHotkeys, useRegisteredHotkeys } from './useHotkeys';
