import { queryOptions } from '@tanstack/react-query';
import { client, done, unwrap } from './client';
import type { EchoOutcome, Peer, Service, UnknownPeer } from './types';

export const SERVICES: readonly Service[] = ['echo', 'store', 'query', 'retrieve', 'commit', 'worklist'];

export const peersQuery = queryOptions({
  queryKey: ['peers'],
  queryFn: async ({ signal }): Promise<Peer[]> => (await unwrap(client.GET('/peers', { signal }))).items,
});

/** A peer that has one address to connect to: neither a network nor a caller only. */
export function canBeCalled(peer: Peer): boolean {
  return peer.port !== null && !peer.host.includes('/');
}

export interface PeerFields {
  aeTitle: string;
  host: string;
  port: number | null;
  allow: Service[];
  tls: boolean;
  description: string;
  askCommitment: boolean;
  notifyAvailability: boolean;
  operationsWindow: number;
}

export function addPeer(peer: PeerFields): Promise<Peer> {
  return unwrap(client.POST('/peers', { body: peer }));
}

export function changePeer(peerId: number, change: PeerFields): Promise<Peer> {
  return unwrap(client.PATCH('/peers/{peerId}', { params: { path: { peerId } }, body: change }));
}

export function removePeer(peerId: number): Promise<void> {
  return done(client.DELETE('/peers/{peerId}', { params: { path: { peerId } } }));
}

export function echoPeer(peerId: number): Promise<EchoOutcome> {
  return unwrap(client.POST('/peers/{peerId}/echo', { params: { path: { peerId } } }));
}

export const unknownPeersQuery = queryOptions({
  queryKey: ['peers', 'unknown'],
  queryFn: async ({ signal }): Promise<UnknownPeer[]> =>
    (await unwrap(client.GET('/peers/unknown', { signal }))).items,
});

export function admitPeer(unknownId: number, admission: Omit<PeerFields, 'aeTitle'>): Promise<Peer> {
  return unwrap(
    client.POST('/peers/unknown/{unknownId}/admit', { params: { path: { unknownId } }, body: admission }),
  );
}

export function forgetUnknownPeer(unknownId: number): Promise<void> {
  return done(client.DELETE('/peers/unknown/{unknownId}', { params: { path: { unknownId } } }));
}
