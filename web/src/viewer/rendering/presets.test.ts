import { expect, it } from 'vitest';
import { firstFor, listedTransfer, petMip, PLAIN, spanOf, strengthened } from './presets';

const BONE = {
  name: 'Bone',
  scalarOpacity: '8 -3024 0 -16 0 641 0.7 3071 0.7',
  colorTransfer: '8 -3024 0 0 0 641 0.5 0.25 1',
  shade: '1',
  ambient: '0.1',
  diffuse: '0.9',
  specular: '0.2',
  specularPower: '10',
};

it('reads the nodes of a listed preset at their values', () => {
  const transfer = listedTransfer(BONE, 2000, false);
  expect(transfer.opacity).toEqual([
    [-3024, 0],
    [-16, 0],
    [641, 0.7],
    [3071, 0.7],
  ]);
  expect(transfer.colour[1]).toEqual([641, 0.5, 0.25, 1]);
  expect(transfer).toMatchObject({ isShaded: true, isMip: false, ambient: 0.1, specularPower: 10 });
  expect(spanOf(transfer)).toBe(657);
});

it('fits a preset to the values that an MR series has', () => {
  expect(listedTransfer(BONE, 512, true).opacity[2]).toEqual([320.5, 0.7]);
  expect(listedTransfer(BONE, 0, true).opacity[2]).toEqual([641, 0.7]);
});

it('shifts values and strengthens opacities, which end at 1', () => {
  const transfer = listedTransfer(BONE, 2000, false);
  expect(strengthened(transfer, PLAIN)).toEqual(transfer);
  const stronger = strengthened(transfer, { shift: 100, factor: 2 });
  expect(stronger.opacity[2]).toEqual([741, 1]);
  expect(stronger.colour[1]).toEqual([741, 0.5, 0.25, 1]);
});

it('begins with what the modality is read by', () => {
  expect(['CT', 'PT', 'NM', 'MR'].map(firstFor)).toEqual(['ctBone', 'petMip', 'petMip', 'mr']);
  expect(petMip(12)).toMatchObject({
    isMip: true,
    opacity: [
      [0, 0],
      [12, 1],
    ],
  });
});
