import { useQueryClient } from '@tanstack/react-query';
import { useEffect } from 'react';
import { useViewer } from '../state/store';
import { hangOnOpening, listenToArranging } from './hang';
import { forgetHanging } from './state';

/** Each study hangs by the protocol that is for it; not on a phone, and not when one of its series was asked for. */
export function useHangingOfStudy(isNarrow: boolean, isSeriesAsked: boolean): void {
  const queries = useQueryClient();
  const studyInstanceUid = useViewer((state) => state.studyInstanceUid);
  useEffect(() => {
    if (studyInstanceUid === '') return undefined;
    const abort = new AbortController();
    // Without protocols the study stays as it was opened.
    hangOnOpening(queries, studyInstanceUid, !isNarrow && !isSeriesAsked, abort.signal).catch(
      () => undefined,
    );
    return () => abort.abort();
  }, [queries, studyInstanceUid, isNarrow, isSeriesAsked]);
  // A window that becomes narrow has the same study: what was opened of its protocols stays.
  useEffect(() => forgetHanging, [studyInstanceUid]);
  useEffect(listenToArranging, []);
}
