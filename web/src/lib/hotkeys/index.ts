export { keycaps } from './display';
export {
  areSingleKeysOn,
  bindingOf,
  defaultKeys,
  type Hotkey,
  type OwnKeys,
  ownerOf,
  setOwnKeys,
  setSingleKeysOn,
} from './registry';
export { useBinding, useHotkeys, useRegisteredHotkeys } from './useHotkeys';
