import { expect, test } from 'vitest';
import { filesOfInput, walk } from './walk';

const file = (name: string): FileSystemFileEntry =>
  ({
    name,
    isFile: true,
    isDirectory: false,
    file: (resolve: (file: File) => void) => resolve(new File(['x'], name)),
  }) as FileSystemFileEntry;

const unreadable = (name: string): FileSystemFileEntry =>
  ({
    name,
    isFile: true,
    isDirectory: false,
    file: (_: unknown, reject: (error: DOMException) => void) =>
      reject(new DOMException('gone', 'NotFoundError')),
  }) as unknown as FileSystemFileEntry;

/** A folder that, like a browser's, gives its entries in batches and ends with an empty one. */
const folder = (name: string, children: FileSystemEntry[], batch = 100): FileSystemDirectoryEntry =>
  ({
    name,
    isFile: false,
    isDirectory: true,
    createReader: () => {
      let given = 0;
      return {
        readEntries: (resolve: (entries: FileSystemEntry[]) => void) => {
          resolve(children.slice(given, given + batch));
          given += batch;
        },
      };
    },
  }) as unknown as FileSystemDirectoryEntry;

async function pathsIn(entries: FileSystemEntry[]): Promise<{ paths: string[]; lost: string[] }> {
  const paths: string[] = [];
  const lost: string[] = [];
  for await (const found of walk(entries, (path) => lost.push(path))) paths.push(found.path);
  return { paths, lost };
}

test('folders are walked to the bottom and paths kept', async () => {
  const { paths } = await pathsIn([
    folder('study', [folder('series 1', [file('IM1'), file('IM2')]), file('DICOMDIR')]),
    file('alone.dcm'),
  ]);
  expect(paths).toEqual(['alone.dcm', 'study/DICOMDIR', 'study/series 1/IM1', 'study/series 1/IM2']);
});

test('a folder of more than one batch gives all its files, in the order of their numbers', async () => {
  const children = Array.from({ length: 250 }, (_, index) => file(`IM${index + 1}`));
  const { paths } = await pathsIn([folder('ct', children)]);
  expect(paths).toHaveLength(250);
  expect(paths.slice(0, 3)).toEqual(['ct/IM1', 'ct/IM2', 'ct/IM3']);
  expect(paths.at(-1)).toBe('ct/IM250');
});

test('what the system left in a folder is not uploaded', async () => {
  const { paths } = await pathsIn([folder('ct', [file('.DS_Store'), file('Thumbs.db'), file('IM1')])]);
  expect(paths).toEqual(['ct/IM1']);
});

test('a file that cannot be read is reported and the rest goes on', async () => {
  const { paths, lost } = await pathsIn([folder('ct', [unreadable('IM1'), file('IM2')])]);
  expect(paths).toEqual(['ct/IM2']);
  expect(lost).toEqual(['ct/IM1']);
});

test('files of a dialog keep the folder they were chosen with', () => {
  const chosen = new File(['x'], 'IM1');
  Object.defineProperty(chosen, 'webkitRelativePath', { value: 'ct/IM1' });
  expect(
    filesOfInput([chosen, new File(['x'], '.DS_Store'), new File(['x'], 'a.dcm')]).map((one) => one.path),
  ).toEqual(['a.dcm', 'ct/IM1']);
});
