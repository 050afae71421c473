import { expect, test } from 'vitest';
import { isAeTitle, servicesWanted } from './services';

const proposing = (...uids: string[]) => ({ proposed: uids.map((uid) => ({ uid, name: uid })) });

test('a scanner wants to store, a workstation to query and retrieve', () => {
  expect(servicesWanted(proposing('1.2.840.10008.5.1.4.1.1.2'))).toEqual(['echo', 'store']);
  expect(servicesWanted(proposing('1.2.840.10008.5.1.4.1.2.2.1'))).toEqual(['echo', 'query']);
  expect(servicesWanted(proposing('1.2.840.10008.5.1.4.1.2.2.1', '1.2.840.10008.5.1.4.1.2.2.2'))).toEqual([
    'echo',
    'query',
    'retrieve',
  ]);
});

test('whoever only verifies may only verify', () => {
  expect(servicesWanted(proposing('1.2.840.10008.1.1'))).toEqual(['echo']);
  expect(servicesWanted(proposing())).toEqual(['echo']);
});

test('AE titles are what the standard allows', () => {
  expect(isAeTitle('CT_SCANNER 1')).toBe(true);
  for (const wrong of ['', '    ', 'A\\B', 'ABCDEFGHIJKLMNOPQ', 'Ä']) expect(isAeTitle(wrong)).toBe(false);
});
