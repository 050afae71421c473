import { Button, Skeleton, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useNavigate, useRouter, useCanGoBack } from '@tanstack/react-router';
import { ArrowLeft, Download, Eye, Send, Trash2 } from 'lucide-react';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { ApiError } from '@/api/errors';
import { useHasRight } from '@/api/session';
import { studyQuery, zipAddress } from '@/api/studies';
import type { Study } from '@/api/types';
import { useHotkeys } from '@/lib/hotkeys';
import { formatName } from '@/lib/names';
import { useTitle } from '@/lib/useTitle';
import { Bytes } from '@/ui/Bytes';
import { ButtonLink, TextLink } from '@/ui/links';
import { ModalityBadges } from '@/ui/ModalityBadge';
import { Moment } from '@/ui/Moment';
import { Page } from '@/ui/Page';
import { PatientFacts } from '@/ui/PatientFacts';
import { EmptyState, ErrorState } from '@/ui/States';
import { StudyDate } from '@/ui/StudyDate';
import { Uid } from '@/ui/Uid';
import { DeleteDialog } from './DeleteDialog';
import { SendDialog } from './SendDialog';
import { SeriesGrid } from './SeriesGrid';
import classes from './StudyPage.module.css';

/** A study: whose, when, why, and its series in pictures. */
export function StudyPage({ studyInstanceUid }: { studyInstanceUid: string }) {
  const { t } = useTranslation();
  useTitle(t('study.title'));
  const study = useQuery(studyQuery(studyInstanceUid));
  return (
    <Page>
      <TextLink to="/" size="sm" className={classes.back}>
        <ArrowLeft size={15} aria-hidden /> {t('study.back')}
      </TextLink>
      {study.isError && !study.data ? (
        study.error instanceof ApiError && study.error.status === 404 ? (
          <EmptyState
            icon={<Eye size={26} strokeWidth={1.5} />}
            title={t('study.missing')}
            text={t('study.missingText')}
          />
        ) : (
          <ErrorState error={study.error} onRetry={() => void study.refetch()} />
        )
      ) : study.data ? (
        <Content study={study.data} />
      ) : (
        <Loading />
      )}
    </Page>
  );
}

function Loading() {
  return (
    <div aria-hidden>
      <Skeleton height={26} width={280} mt="lg" />
      <Skeleton height={16} width={420} mt={10} />
      <div className={classes.loading}>
        {Array.from({ length: 4 }, (_, index) => (
          <Skeleton key={index} height={230} />
        ))}
      </div>
    </div>
  );
}

function Content({ study }: { study: Study }) {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const router = useRouter();
  const canGoBack = useCanGoBack();
  const { main, others } = formatName(study.patientName);
  const group = t('study.title');
  useHotkeys([
    {
      id: 'study.view',
      group,
      label: t('study.view'),
      keys: ['Enter', 'v'],
      run: () =>
        void navigate({
          to: '/viewer/$studyInstanceUid',
          params: { studyInstanceUid: study.studyInstanceUid },
          search: {},
        }),
    },
    {
      id: 'study.back',
      group,
      label: t('study.back'),
      keys: ['Escape'],
      run: () => {
        if (canGoBack) router.history.back();
        else void navigate({ to: '/' });
      },
    },
  ]);
  return (
    <>
      <header className={classes.header}>
        <div className={classes.patient}>
          <Title order={1}>
            {main ? <bdi>{main}</bdi> : <span className={classes.unnamed}>{t('patient.unnamed')}</span>}
            {others.map((other) => (
              <span key={other} className={classes.other}>
                <bdi>{other}</bdi>
              </span>
            ))}
          </Title>
          <div className={classes.facts}>
            <PatientFacts
              birthDate={study.patientBirthDate}
              sex={study.patientSex}
              studyDate={study.studyDate}
            />
            {study.patientId && (
              <span>
                {t('studies.columns.patientId')} <b className="fl-numbers">{study.patientId}</b>
                {study.issuerOfPatientId && ` (${study.issuerOfPatientId})`}
              </span>
            )}
          </div>
        </div>
        <Actions study={study} />
      </header>
      <Facts study={study} />
      <SeriesGrid study={study} />
    </>
  );
}

function Actions({ study }: { study: Study }) {
  const { t } = useTranslation();
  const mayView = useHasRight('view');
  const mayRetrieve = useHasRight('retrieve');
  const maySend = useHasRight('send');
  const mayDelete = useHasRight('delete');
  const [isSending, setIsSending] = useState(false);
  const [isDeleting, setIsDeleting] = useState(false);
  return (
    <div className={classes.actions}>
      {mayView && (
        <ButtonLink
          to="/viewer/$studyInstanceUid"
          params={{ studyInstanceUid: study.studyInstanceUid }}
          search={{}}
          leftSection={<Eye size={16} />}
        >
          {t('study.view')}
        </ButtonLink>
      )}
      {mayRetrieve && (
        <Button
          component="a"
          href={zipAddress(study.studyInstanceUid)}
          download
          variant="default"
          leftSection={<Download size={15} />}
        >
          {t('study.download')}
        </Button>
      )}
      {maySend && (
        <Button variant="default" leftSection={<Send size={15} />} onClick={() => setIsSending(true)}>
          {t('study.send')}
        </Button>
      )}
      {mayDelete && (
        <Button
          variant="default"
          c="red.4"
          leftSection={<Trash2 size={15} />}
          onClick={() => setIsDeleting(true)}
        >
          {t('study.delete')}
        </Button>
      )}
      {isDeleting && <DeleteDialog study={study} onClose={() => setIsDeleting(false)} />}
      {isSending && (
        <SendDialog studyInstanceUid={study.studyInstanceUid} onClose={() => setIsSending(false)} />
      )}
    </div>
  );
}

function Facts({ study }: { study: Study }) {
  const { t } = useTranslation();
  const physician = formatName(study.referringPhysicianName).main;
  const facts = [
    {
      label: t('studies.columns.studyDate'),
      value: <StudyDate date={study.studyDate} time={study.studyTime} />,
    },
    {
      label: t('studies.columns.modalities'),
      value: study.modalities.length > 0 && <ModalityBadges modalities={study.modalities} />,
    },
    { label: t('studies.columns.studyDescription'), value: study.studyDescription },
    { label: t('studies.columns.accessionNumber'), value: study.accessionNumber },
    { label: t('study.referrer'), value: physician },
    { label: t('study.id'), value: study.studyId },
    {
      label: t('study.contents'),
      value: (
        <>
          {t('count.series', { count: study.numberOfSeries })},{' '}
          {t('count.instances', { count: study.numberOfInstances })}, <Bytes value={study.sizeBytes} />
        </>
      ),
    },
    { label: t('study.arrived'), value: <Moment at={study.updatedAt} relative /> },
    { label: t('study.uid'), value: <Uid value={study.studyInstanceUid} /> },
  ];
  return (
    <dl className={classes.table}>
      {facts
        .filter(({ value }) => value)
        .map(({ label, value }) => (
          <div key={label}>
            <dt>{label}</dt>
            <dd>{value}</dd>
          </div>
        ))}
    </dl>
  );
}
