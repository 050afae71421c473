const isMac = typeof navigator !== 'undefined' && /Mac|iPhone|iPad/.test(navigator.userAgent);

const NAMES: Record<string, string> = {
  $mod: isMac ? '⌘' : 'Ctrl',
  Control: 'Ctrl',
  ArrowUp: '↑',
  ArrowDown: '↓',
  ArrowLeft: '←',
  ArrowRight: '→',
  Escape: 'Esc',
  PageUp: 'Page ↑',
  PageDown: 'Page ↓',
  Space: 'Space',
  ' ': 'Space',
};

/** A binding as the keycaps to draw: `$mod+k` is Ctrl, K; `g s` is g, then s. `Shift+?` is just `?`. */
export function keycaps(binding: string): string[][] {
  return binding.split(' ').map((press) => {
    const parts = press.split(/\b\+/);
    const key = parts.pop() ?? '';
    const isSymbol = key.length === 1 && !/[a-z0-9]/i.test(key);
    const mods = isSymbol ? parts.filter((part) => part !== 'Shift') : parts;
    const named = NAMES[key] ?? key.replace(/^(Key|Digit)/, '');
    return [
      ...mods.map((mod) => NAMES[mod] ?? mod),
      named.length === 1 && mods.length > 0 ? named.toUpperCase() : named,
    ];
  });
}
