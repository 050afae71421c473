import { useQueryClient } from '@tanstack/react-query';
import { getRouteApi, useNavigate } from '@tanstack/react-router';
import { sessionQuery } from '@/api/session';
import { SetupPage } from '@/features/access/SetupPage';

const route = getRouteApi('/setup');

export function SetupRoute() {
  const { token } = route.useSearch();
  const queries = useQueryClient();
  const navigate = useNavigate();
  return (
    <SetupPage
      token={token}
      onSignedIn={(session) => {
        queries.setQueryData(sessionQuery.queryKey, session);
        void navigate({ to: '/', replace: true });
      }}
      onLeave={() => void navigate({ to: '/sign-in' })}
    />
  );
}
