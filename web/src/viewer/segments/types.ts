/**
 * What a segment can be: code values of SNOMED CT that the server takes, by their category (PS3.16 CID 7150). Their words
 * are in the texts, `segments.types`; tests/reading/test_segmentations.py holds both lists against each other.
 */
export const TYPES = {
  structures: [
    '10200004',
    '64033007',
    '78961009',
    '15776009',
    '39607008',
    '80891009',
    '12738006',
    '89837001',
    '41216001',
    '15825003',
    '59820001',
    '272673000',
    '59441001',
  ],
  tissues: ['91727004', '55603005', '87612001'],
  changes: ['52988006', '108369006', '27925004', '367643001', '79654002', '50960005', '6574001'],
} as const;

export type TypeGroup = keyof typeof TYPES;
export type TypeCode = (typeof TYPES)[TypeGroup][number];

export const TYPE_GROUPS = Object.keys(TYPES) as TypeGroup[];

export const isTypeCode = (code: string): code is TypeCode =>
  TYPE_GROUPS.some((group) => (TYPES[group] as readonly string[]).includes(code));
