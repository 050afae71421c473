import { MantineProvider } from '@mantine/core';
import { Notifications } from '@mantine/notifications';
import { hashKey, MutationCache, QueryCache, QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { RouterProvider } from '@tanstack/react-router';
import { ApiError, isTransient } from '@/api/errors';
import { sessionQuery } from '@/api/session';
import './i18n';
import { createAppRouter } from './router';
import { theme } from './theme/theme';

/** A session that ended while one worked: sign in, and come back to where one was. */
function onError(error: Error): void {
  const { pathname, href } = router.state.location;
  if (
    !(error instanceof ApiError) ||
    error.status !== 401 ||
    pathname === '/sign-in' ||
    pathname === '/setup'
  )
    return;
  // Nobody who signs in next sees what the last one saw.
  queries.clear();
  void router.navigate({ to: '/sign-in', search: { then: href, expired: true } });
}

const queries = new QueryClient({
  queryCache: new QueryCache({
    onError: (error, query) => {
      // When the session is asked for the first time, the router turns to the sign-in itself.
      const isFirst = query.queryHash === hashKey(sessionQuery.queryKey) && query.state.data === undefined;
      if (!isFirst) onError(error);
    },
  }),
  mutationCache: new MutationCache({ onError }),
  defaultOptions: {
    queries: {
      retry: (failures, error) => failures < 2 && isTransient(error),
      refetchOnWindowFocus: true,
    },
  },
});

const router = createAppRouter(queries);

export function App() {
  return (
    <MantineProvider theme={theme} forceColorScheme="dark">
      <Notifications position="bottom-center" autoClose={6000} />
      <QueryClientProvider client={queries}>
        <RouterProvider router={router} />
      </QueryClientProvider>
    </MantineProvider>
  );
}
