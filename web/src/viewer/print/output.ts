/** A finished PDF on its way to paper. */
import { saveFile } from '@/lib/saveFile';
import type { Printed } from './document';

const FRAME_ID = 'filmless-printed';

/** Opens the browser's own print dialog with the file; browsers that cannot print from a frame save it instead. */
export function printFile({ name, file }: Printed): void {
  document.getElementById(FRAME_ID)?.remove();
  const url = URL.createObjectURL(file);
  const frame = document.createElement('iframe');
  frame.id = FRAME_ID;
  frame.title = name;
  // Neither hidden nor away: some browsers print nothing of a frame that is.
  frame.style.cssText =
    'position: fixed; right: 0; bottom: 0; width: 1px; height: 1px; border: 0; opacity: 0';
  frame.addEventListener('load', () => {
    try {
      frame.contentWindow?.focus();
      frame.contentWindow?.print();
    } catch {
      saveFile(name, file);
    }
  });
  frame.src = url;
  document.body.append(frame);
}
