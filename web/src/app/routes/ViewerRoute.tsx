import { Center, Loader } from '@mantine/core';
import { getRouteApi, useCanGoBack, useNavigate, useRouter } from '@tanstack/react-router';
import { Suspense } from 'react';
import { useTranslation } from 'react-i18next';
import { useTitle } from '@/lib/useTitle';
import { ErrorBoundary } from '@/ui/ErrorBoundary';
import ViewerPage from '@/viewer';

const route = getRouteApi('/signed-in/viewer/$studyInstanceUid');

export function ViewerRoute() {
  const { t } = useTranslation();
  useTitle(t('nav.viewer'));
  const { studyInstanceUid } = route.useParams();
  const { series } = route.useSearch();
  const router = useRouter();
  const canGoBack = useCanGoBack();
  const navigate = useNavigate();
  const close = () => {
    if (canGoBack) router.history.back();
    else void navigate({ to: '/studies/$studyInstanceUid', params: { studyInstanceUid } });
  };
  return (
    <ErrorBoundary>
      <Suspense
        fallback={
          <Center h="100%" bg="#000">
            <Loader size="sm" color="gray" role="status" aria-label={t('state.loading')} />
          </Center>
        }
      >
        <ViewerPage
          key={studyInstanceUid}
          studyInstanceUid={studyInstanceUid}
          seriesInstanceUid={series}
          onClose={close}
          onStudy={(next) =>
            void navigate({
              to: '/viewer/$studyInstanceUid',
              params: { studyInstanceUid: next },
              search: {},
              replace: true,
            })
          }
          onReturn={(left) =>
            void router.navigate({
              to: '/viewer/$studyInstanceUid',
              params: { studyInstanceUid: left },
              search: {},
              replace: router.state.location.pathname.startsWith('/viewer/'),
            })
          }
        />
      </Suspense>
    </ErrorBoundary>
  );
}
