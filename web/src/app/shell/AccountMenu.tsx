import { ActionIcon, Menu, Text } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { Check, CircleUser, Keyboard, KeyRound, Languages, LogOut, RectangleEllipsis } from 'lucide-react';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { signOut, useSession } from '@/api/session';
import { ChangePasswordDialog } from '@/features/access/ChangePasswordDialog';
import { TokensDialog } from '@/features/access/TokensDialog';
import { chooseLanguage, isLanguage, LANGUAGES, type Language } from '../i18n';
import { cheatSheet } from './CheatSheet';

const ICON = { size: 15, strokeWidth: 1.75 } as const;

export function AccountMenu() {
  const { t, i18n } = useTranslation();
  const { user, server } = useSession();
  const queries = useQueryClient();
  const navigate = useNavigate();
  const [dialog, setDialog] = useState<'password' | 'tokens' | null>(null);
  const signingOut = useMutation({
    mutationFn: signOut,
    onSettled: async () => {
      await navigate({ to: '/sign-in' });
      queries.clear();
    },
  });
  const close = () => setDialog(null);
  const language: Language = isLanguage(i18n.resolvedLanguage) ? i18n.resolvedLanguage : 'en';

  return (
    <>
      <Menu width={250}>
        <Menu.Target>
          <ActionIcon size="lg" aria-label={t('account.menu')}>
            <CircleUser size={20} strokeWidth={1.6} />
          </ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Label>
            <Text size="sm" fw={600} c="var(--fl-text)">
              {user.displayName || user.name}
            </Text>
            <Text size="xs">{t(`roles.${user.role}`)}</Text>
          </Menu.Label>
          <Menu.Divider />
          <Menu.Item leftSection={<RectangleEllipsis {...ICON} />} onClick={() => setDialog('password')}>
            {t('password.change')}
          </Menu.Item>
          <Menu.Item leftSection={<KeyRound {...ICON} />} onClick={() => setDialog('tokens')}>
            {t('tokens.title')}
          </Menu.Item>
          <Menu.Item leftSection={<Keyboard {...ICON} />} onClick={cheatSheet.open}>
            {t('hotkeys.title')}
          </Menu.Item>
          <Menu.Divider />
          {(Object.keys(LANGUAGES) as Language[]).map((one) => (
            <Menu.Item
              key={one}
              lang={one}
              leftSection={one === language ? <Check {...ICON} /> : <Languages {...ICON} opacity={0.5} />}
              onClick={() => void chooseLanguage(one)}
              aria-current={one === language}
            >
              {LANGUAGES[one]}
            </Menu.Item>
          ))}
          <Menu.Divider />
          <Menu.Item leftSection={<LogOut {...ICON} />} onClick={() => signingOut.mutate()}>
            {t('account.signOut')}
          </Menu.Item>
          <Menu.Divider />
          <Menu.Label>
            {t('account.server', {
              aeTitle: server.aeTitle,
              port: server.dicomPort,
              version: server.version,
            })}
          </Menu.Label>
        </Menu.Dropdown>
      </Menu>
      <ChangePasswordDialog opened={dialog === 'password'} onClose={close} />
      <TokensDialog
        opened={dialog === 'tokens'}
        onClose={close}
        userId={user.id}
        title={t('tokens.title')}
        rights={user.rights}
      />
    </>
  );
}
