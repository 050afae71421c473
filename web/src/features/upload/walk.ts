/**
 * Folders dropped on the page, walked down to their files.
 *
 * The DOM's `FileSystemEntry` has no promise interface, and `readEntries` gives at most 100 at a time: it is called
 * until it gives none.
 */

export interface FoundFile {
  file: File;
  /** With the folders it lay in: `CT/series 2/IM0001`. */
  path: string;
}

const IGNORED = /^(\.|Thumbs\.db$|desktop\.ini$)/i;

/** Files that systems leave in folders and that nobody means to upload. */
export function isIgnored(name: string): boolean {
  return IGNORED.test(name);
}

function readBatch(reader: FileSystemDirectoryReader): Promise<FileSystemEntry[]> {
  return new Promise((resolve, reject) => reader.readEntries(resolve, reject));
}

function fileOf(entry: FileSystemFileEntry): Promise<File> {
  return new Promise((resolve, reject) => entry.file(resolve, reject));
}

const inOrder = new Intl.Collator('en', { numeric: true });

/** Yields the files below `entries` in the order of their paths; what cannot be read is reported and left out. */
export async function* walk(
  entries: readonly FileSystemEntry[],
  onUnreadable: (path: string) => void,
  prefix = '',
): AsyncGenerator<FoundFile> {
  for (const entry of [...entries].sort((one, other) => inOrder.compare(one.name, other.name))) {
    if (isIgnored(entry.name)) continue;
    const path = prefix + entry.name;
    try {
      if (entry.isFile) {
        yield { file: await fileOf(entry as FileSystemFileEntry), path };
      } else if (entry.isDirectory) {
        const reader = (entry as FileSystemDirectoryEntry).createReader();
        const children: FileSystemEntry[] = [];
        for (let batch = await readBatch(reader); batch.length > 0; batch = await readBatch(reader)) {
          children.push(...batch);
        }
        yield* walk(children, onUnreadable, `${path}/`);
      }
    } catch (error) {
      if (!(error instanceof DOMException)) throw error;
      onUnreadable(path);
    }
  }
}

/** Files chosen in a dialog, of which folders give the path themselves. */
export function filesOfInput(files: Iterable<File>): FoundFile[] {
  return [...files]
    .map((file) => ({ file, path: file.webkitRelativePath || file.name }))
    .filter(({ path }) => !path.split('/').some(isIgnored))
    .sort((one, other) => inOrder.compare(one.path, other.path));
}
