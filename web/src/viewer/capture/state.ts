/** Which dialog for files is open. */
import { create } from 'zustand';

export const useOutput = create<{ dialog: 'film' | 'print' | null }>(() => ({ dialog: null }));
