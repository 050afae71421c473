import { useMediaQuery } from '@mantine/hooks';

/** A phone, or a window as narrow as one. */
export const useIsNarrow = (): boolean =>
  useMediaQuery('(max-width: 48em)', false, { getInitialValueInEffect: false });
