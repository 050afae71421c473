/** The viewer's door. Its code, Cornerstone's above all, is fetched when a study is first opened. */
import { lazy } from 'react';

export interface ViewerProps {
  studyInstanceUid: string;
  seriesInstanceUid?: string | undefined;
  onClose: () => void;
}

export default lazy(() => import('./ui/ViewerPage'));
