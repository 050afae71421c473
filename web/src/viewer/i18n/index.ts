/** The viewer's own texts, in a namespace of their own: they arrive with the viewer and not with the first page. */
import i18next from 'i18next';
import { useCallback } from 'react';
import { useTranslation } from 'react-i18next';
import de from './de.json';
import en from './en.json';

const NAMESPACE = 'viewer';

i18next.addResourceBundle('en', NAMESPACE, en);
i18next.addResourceBundle('de', NAMESPACE, de);

type Singular<Key extends string> = Key extends `${infer Base}_one` | `${infer Base}_other` ? Base : Key;
type Leaves<Tree> = {
  [Key in keyof Tree & string]: Tree[Key] extends string ? Singular<Key> : `${Key}.${Leaves<Tree[Key]>}`;
}[keyof Tree & string];

export type TextKey = Leaves<typeof en>;
export type Texts = (key: TextKey, values?: Record<string, string | number>) => string;

export function useTexts(): Texts {
  const { i18n } = useTranslation();
  const language = i18n.resolvedLanguage ?? 'en';
  return useCallback<Texts>(
    (key, values) => {
      // The namespace is not in the app's typed resources; TextKey says what it holds.
      const translate = i18next.getFixedT(language, NAMESPACE as never) as unknown as Texts;
      return translate(key, values);
    },
    [language],
  );
}

/** For texts outside of components: what is drawn on images. */
export const textNow: Texts = (key, values) => {
  const translate = i18next.getFixedT(
    i18next.resolvedLanguage ?? 'en',
    NAMESPACE as never,
  ) as unknown as Texts;
  return translate(key, values);
};
