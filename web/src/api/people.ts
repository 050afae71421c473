import { queryOptions } from '@tanstack/react-query';
import { client, done, unwrap } from './client';
import type { CreatedToken, Right, Role, Token, User } from './types';

export const ROLES: readonly Role[] = ['administrator', 'radiologist', 'technologist', 'clinician'];

export const usersQuery = queryOptions({
  queryKey: ['users'],
  queryFn: async ({ signal }): Promise<User[]> => (await unwrap(client.GET('/users', { signal }))).items,
});

export interface NewUser {
  name: string;
  displayName: string;
  role: Role;
  password: string;
}

export function addUser(user: NewUser): Promise<User> {
  return unwrap(client.POST('/users', { body: user }));
}

export interface UserChange {
  role?: Role;
  displayName?: string;
  password?: string;
  isActive?: boolean;
}

export function changeUser(userId: number, change: UserChange): Promise<User> {
  return unwrap(client.PATCH('/users/{userId}', { params: { path: { userId } }, body: change }));
}

export function endSessions(userId: number): Promise<void> {
  return done(client.DELETE('/users/{userId}/sessions', { params: { path: { userId } } }));
}

export const tokensQuery = (userId: number) =>
  queryOptions({
    queryKey: ['tokens', userId],
    queryFn: async ({ signal }): Promise<Token[]> =>
      (await unwrap(client.GET('/users/{userId}/tokens', { params: { path: { userId } }, signal }))).items,
  });

export interface NewToken {
  name: string;
  expiresDays: number;
  rights?: Right[];
}

export function addToken(userId: number, token: NewToken): Promise<CreatedToken> {
  return unwrap(client.POST('/users/{userId}/tokens', { params: { path: { userId } }, body: token }));
}

export function revokeToken(tokenId: number): Promise<void> {
  return done(client.DELETE('/tokens/{tokenId}', { params: { path: { tokenId } } }));
}
