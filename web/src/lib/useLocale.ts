import { useTranslation } from 'react-i18next';

/** The language the screen speaks, for dates and numbers. */
export function useLocale(): string {
  const { i18n } = useTranslation();
  return i18n.resolvedLanguage ?? 'en';
}
