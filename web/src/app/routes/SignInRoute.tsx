import { useQueryClient } from '@tanstack/react-query';
import { getRouteApi, useRouter } from '@tanstack/react-router';
import { sessionQuery } from '@/api/session';
import { SignInPage } from '@/features/access/SignInPage';

const route = getRouteApi('/sign-in');

export function SignInRoute() {
  const { then, expired } = route.useSearch();
  const queries = useQueryClient();
  const router = useRouter();
  return (
    <SignInPage
      wasSignedOut={expired ?? false}
      onSignedIn={(session) => {
        queries.clear();
        queries.setQueryData(sessionQuery.queryKey, session);
        router.history.push(then ?? '/');
      }}
    />
  );
}
