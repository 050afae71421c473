import { getRouteApi, useNavigate } from '@tanstack/react-router';
import { useHasRight } from '@/api/session';
import { StudiesPage } from '@/features/studies/StudiesPage';
import { UploadButton } from '@/features/upload/UploadButton';

const route = getRouteApi('/signed-in/shell/');

export function StudiesRoute() {
  const search = route.useSearch();
  const navigate = useNavigate();
  const mayStore = useHasRight('store');
  return (
    <StudiesPage
      search={search}
      onSearch={(next, { isTyping }) => void navigate({ to: '/', search: next, replace: isTyping })}
      upload={mayStore && <UploadButton />}
    />
  );
}
