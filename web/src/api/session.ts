import { queryOptions, useQuery } from '@tanstack/react-query';
import { client, done, unwrap } from './client';
import { setCsrfToken } from './csrf';
import type { Right, Session } from './types';

/** Who is signed in. Stays until it is signed out or the server answers 401. */
export const sessionQuery = queryOptions({
  queryKey: ['session'],
  queryFn: async (): Promise<Session> => {
    const session = await unwrap(client.GET('/session'));
    setCsrfToken(session.csrfToken);
    return session;
  },
  staleTime: Infinity,
  gcTime: Infinity,
  retry: false,
});

export async function signIn(name: string, password: string): Promise<Session> {
  const session = await unwrap(client.POST('/session', { body: { name, password } }));
  setCsrfToken(session.csrfToken);
  return session;
}

export async function signOut(): Promise<void> {
  await done(client.DELETE('/session'));
  setCsrfToken(null);
}

export function changePassword(current: string, replacement: string): Promise<void> {
  return done(client.POST('/session/password', { body: { current, new: replacement } }));
}

export async function isSetupLinkValid(token: string): Promise<boolean> {
  return (await unwrap(client.GET('/setup', { params: { query: { token } } }))).valid;
}

/** Make the first administrator; they are signed in at once. */
export async function setUp(token: string, name: string, password: string): Promise<Session> {
  const session = await unwrap(client.POST('/setup', { body: { token, name, password, displayName: '' } }));
  setCsrfToken(session.csrfToken);
  return session;
}

/** The session on pages behind the sign-in, where the router has already read it. */
export function useSession(): Session {
  const { data } = useQuery(sessionQuery);
  if (!data) throw new Error('This page is shown without a session.');
  return data;
}

export function useHasRight(right: Right): boolean {
  return useSession().user.rights.includes(right);
}
