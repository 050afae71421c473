import { create } from 'zustand';

export const PREFERENCE_TABS = ['mouse', 'windows', 'view'] as const;
export type PreferenceTab = (typeof PREFERENCE_TABS)[number];

export const usePreferencesDialog = create<{ tab: PreferenceTab | null }>(() => ({ tab: null }));

export const preferencesDialog = {
  open: (tab: PreferenceTab = 'mouse') => usePreferencesDialog.setState({ tab }),
  close: () => usePreferencesDialog.setState({ tab: null }),
};
