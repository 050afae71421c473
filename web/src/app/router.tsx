import type { QueryClient } from '@tanstack/react-query';
import {
  createRootRouteWithContext,
  createRoute,
  createRouter,
  lazyRouteComponent,
  Outlet,
  redirect,
} from '@tanstack/react-router';
import { ApiError } from '@/api/errors';
import { sessionQuery } from '@/api/session';
import { studyQuery } from '@/api/studies';
import { parseStudiesSearch } from '@/features/studies/search';
import { ownPath } from '@/lib/paths';
import { parseSearch, stringifySearch } from '@/lib/searchParams';
import { isAdminSection } from './routes/adminSections';
import { MissingRoute, RouteError } from './routes/errors';
import { SetupRoute } from './routes/SetupRoute';
import { SignInRoute } from './routes/SignInRoute';
import { StudiesRoute } from './routes/StudiesRoute';
import { StudyRoute } from './routes/StudyRoute';
import { ViewerRoute } from './routes/ViewerRoute';
import { Shell } from './shell/Shell';
import { SignedIn } from './shell/SignedIn';

const rootRoute = createRootRouteWithContext<{ queries: QueryClient }>()({
  component: Outlet,
  errorComponent: RouteError,
  notFoundComponent: MissingRoute,
});

const signInRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/sign-in',
  // As with every search here, what is not good is undefined and not left out: the router lays it over the address.
  validateSearch: (raw: Record<string, unknown>): { then?: string; expired?: boolean } => ({
    then: ownPath(raw.then),
    expired: raw.expired === true || raw.expired === 'true' ? true : undefined,
  }),
  component: SignInRoute,
});

const setupRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/setup',
  validateSearch: (raw: Record<string, unknown>): { token: string } => ({
    token: typeof raw.token === 'string' ? raw.token : '',
  }),
  component: SetupRoute,
});

const signedInRoute = createRoute({
  getParentRoute: () => rootRoute,
  id: 'signed-in',
  beforeLoad: async ({ context, location }) => {
    try {
      return { session: await context.queries.query({ ...sessionQuery, staleTime: 'static' }) };
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 401) throw error;
      throw redirect({ to: '/sign-in', search: location.href === '/' ? {} : { then: location.href } });
    }
  },
  component: SignedIn,
});

const shellRoute = createRoute({ getParentRoute: () => signedInRoute, id: 'shell', component: Shell });

const studiesRoute = createRoute({
  getParentRoute: () => shellRoute,
  path: '/',
  validateSearch: parseStudiesSearch,
  component: StudiesRoute,
});

const studyRoute = createRoute({
  getParentRoute: () => shellRoute,
  path: '/studies/$studyInstanceUid',
  loader: ({ context, params }) => {
    // The page itself tells what went wrong.
    context.queries.query(studyQuery(params.studyInstanceUid)).catch(() => undefined);
  },
  component: StudyRoute,
});

const viewerRoute = createRoute({
  getParentRoute: () => signedInRoute,
  path: '/viewer/$studyInstanceUid',
  validateSearch: (raw: Record<string, unknown>): { series?: string } => ({
    series: typeof raw.series === 'string' && raw.series ? raw.series : undefined,
  }),
  beforeLoad: () => {
    performance.mark('filmless:viewerAsked');
  },
  component: ViewerRoute,
});

const adminRootRoute = createRoute({
  getParentRoute: () => shellRoute,
  path: '/admin',
  beforeLoad: () => {
    throw redirect({ to: '/admin/$section', params: { section: 'people' } });
  },
});

const adminRoute = createRoute({
  getParentRoute: () => shellRoute,
  path: '/admin/$section',
  beforeLoad: ({ context, params }) => {
    if (!context.session.user.rights.includes('administer')) throw redirect({ to: '/' });
    if (!isAdminSection(params.section))
      throw redirect({ to: '/admin/$section', params: { section: 'people' } });
  },
  component: lazyRouteComponent(() => import('./routes/AdminRoute'), 'AdminRoute'),
});

const routeTree = rootRoute.addChildren([
  signInRoute,
  setupRoute,
  signedInRoute.addChildren([
    viewerRoute,
    shellRoute.addChildren([studiesRoute, studyRoute, adminRootRoute, adminRoute]),
  ]),
]);

export function createAppRouter(queries: QueryClient) {
  return createRouter({
    routeTree,
    context: { queries },
    parseSearch,
    stringifySearch,
    defaultPreload: false,
    scrollRestoration: true,
  });
}

declare module '@tanstack/react-router' {
  interface Register {
    router: ReturnType<typeof createAppRouter>;
  }
}
