/** There was no answer at all: the line is broken or the server is down. Trying again helps. */
export class Unreachable extends Error {
  constructor(cause?: unknown) {
    super('The server did not answer.', { cause });
    this.name = 'Unreachable';
  }
}
