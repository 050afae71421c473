import { useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import type { StudyRow } from '@/api/types';
import type { StudiesSearch } from './search';
import type { OnSearch } from './StudiesPage';

export interface ListProps {
  search: StudiesSearch;
  onSearch: OnSearch;
  rows: readonly StudyRow[];
  total: number;
  isLoading: boolean;
  /** The rows are those of the search before; the new ones are on their way. */
  isStale: boolean;
  hasMore: boolean;
  onMore: () => void;
}

/** When fewer rows than this are left below what is shown, the next page is asked for. */
export const AHEAD = 30;

interface Place {
  offsetPx: number;
  activeUid: string | null;
}

/** Where one was in each list, to find it again when one comes back from a study. */
const places = new Map<string, Place>();

const keyOf = (search: StudiesSearch): string => JSON.stringify(Object.entries(search).sort());

export function usePlace(search: StudiesSearch): { initial: Place; remember: (place: Place) => void } {
  const key = keyOf(search);
  const [initial] = useState<Place>(() => places.get(key) ?? { offsetPx: 0, activeUid: null });
  return { initial, remember: (place) => places.set(key, place) };
}

export function useOpenStudy() {
  const navigate = useNavigate();
  return {
    view: (studyInstanceUid: string) =>
      void navigate({ to: '/viewer/$studyInstanceUid', params: { studyInstanceUid }, search: {} }),
    details: (studyInstanceUid: string) =>
      void navigate({ to: '/studies/$studyInstanceUid', params: { studyInstanceUid } }),
  };
}
