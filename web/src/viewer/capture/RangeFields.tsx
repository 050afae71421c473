import { NumberInput } from '@mantine/core';
import { useTexts } from '../i18n';

interface RangeFieldsProps<Asked> {
  asked: Asked;
  count: number;
  isDisabled: boolean;
  onChange: (asked: Asked) => void;
}

/** The first and the last image of a stack, as people count them: from 1. */
export function RangeFields<Asked extends { from: number; to: number }>({
  asked,
  count,
  isDisabled,
  onChange,
}: RangeFieldsProps<Asked>) {
  const t = useTexts();
  const fields = [
    { name: 'from', label: t('film.from'), otherwise: 1 },
    { name: 'to', label: t('film.to'), otherwise: count },
  ] as const;
  return fields.map(({ name, label, otherwise }) => (
    <NumberInput
      key={name}
      label={label}
      min={1}
      max={count}
      allowDecimal={false}
      disabled={isDisabled}
      value={asked[name] + 1}
      onChange={(value) => onChange({ ...asked, [name]: (Math.round(Number(value)) || otherwise) - 1 })}
    />
  ));
}
