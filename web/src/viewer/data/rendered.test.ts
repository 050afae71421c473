import { describe, expect, it } from 'vitest';
import type { ObjectDisplaySet } from './displaySets';
import type { Instance } from './frames';
import { isReadable, renderedOf } from './rendered';
import { kindOf } from './sopClasses';

function displaySet(sopClassUid: string, transferSyntaxUid = '1.2.840.10008.1.2.1'): ObjectDisplaySet {
  const object = kindOf(sopClassUid, false, transferSyntaxUid);
  if (object === 'image') throw new Error('not an object');
  const representative = {
    studyInstanceUid: '1.1',
    seriesInstanceUid: '1.2',
    sopInstanceUid: '1.3',
    sopClassUid,
  } as Instance;
  return { kind: 'object', object, representative } as ObjectDisplaySet;
}

const CLASS = '1.2.840.10008.5.1.4.1.1.';

describe('what is shown of an object', () => {
  it.each([
    ['88.33', 'page', 'text/html'],
    ['88.59', 'page', 'text/html'],
    ['104.1', 'pdf', 'application/pdf'],
    ['104.2', 'page', 'text/html'],
    ['11.1', 'picture', 'image/png'],
    ['104.3', 'file', 'model/stl'],
  ])('of class %s is a %s', (uid, kind, accept) => {
    expect(renderedOf(displaySet(CLASS + uid))).toEqual({
      kind,
      url: `/dicomweb/studies/1.1/series/1.2/instances/1.3/rendered?accept=${encodeURIComponent(accept)}`,
    });
  });

  it('is a video when its transfer syntax is one', () => {
    expect(renderedOf(displaySet(`${CLASS}77.1.1.1`, '1.2.840.10008.1.2.4.102'))?.kind).toBe('video');
  });

  it('is nothing for a structure set, and a model opens no viewport by itself', () => {
    expect(renderedOf(displaySet(`${CLASS}481.3`))).toBeNull();
    expect(isReadable(displaySet(`${CLASS}104.3`))).toBe(false);
    expect(isReadable(displaySet(`${CLASS}88.11`))).toBe(true);
  });
});
