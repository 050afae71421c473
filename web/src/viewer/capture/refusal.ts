import type { Notice } from '../state/space';

/** Why a file cannot be made, in words of the viewer's texts. */
export class CannotSave extends Error {
  constructor(readonly notice: Notice) {
    super(notice.text);
    this.name = 'CannotSave';
  }
}
