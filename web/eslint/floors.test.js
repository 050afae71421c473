import { expect, test } from 'vitest';
import { reasonAgainst } from './floors.js';

const against = (from, specifier) => reasonAgainst('/web/src', `/web/src/${from}`, specifier);

test('imports that point down are allowed', () => {
  expect(against('app/router.tsx', '@/features/studies/StudiesPage')).toBeNull();
  expect(against('features/studies/StudiesPage.tsx', '../../ui/Page')).toBeNull();
  expect(against('ui/Bytes.tsx', '@/lib/bytes')).toBeNull();
  expect(against('features/studies/StudiesPage.tsx', './StudyTable')).toBeNull();
});

test('imports that point up or sideways are refused', () => {
  expect(against('lib/bytes.ts', '@/ui/Page')).toContain('lies below');
  expect(against('features/studies/StudiesPage.tsx', '@/app/router')).toContain('lies below');
  expect(against('features/studies/StudiesPage.tsx', '@/features/study/StudyPage')).toContain('one floor');
  expect(against('features/studies/StudiesPage.tsx', '../study/StudyPage')).toContain('one floor');
  expect(against('api/client.ts', '@/ui/Page')).toContain('one floor');
});

test('only the viewer imports Cornerstone', () => {
  expect(against('viewer/engine/cornerstone.ts', '@cornerstonejs/core')).toBeNull();
  expect(against('features/study/StudyPage.tsx', '@cornerstonejs/core')).toContain('Only viewer/');
  expect(against('app/router.tsx', '@cornerstonejs/core')).toContain('Only viewer/');
});
