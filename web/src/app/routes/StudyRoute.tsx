import { getRouteApi } from '@tanstack/react-router';
import { StudyPage } from '@/features/study/StudyPage';

const route = getRouteApi('/signed-in/shell/studies/$studyInstanceUid');

export function StudyRoute() {
  const { studyInstanceUid } = route.useParams();
  return <StudyPage key={studyInstanceUid} studyInstanceUid={studyInstanceUid} />;
}
