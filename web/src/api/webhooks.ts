import { queryOptions } from '@tanstack/react-query';
import { client, done, unwrap } from './client';
import type { CreatedWebhook, DeliveryOutcome, Webhook, Webhooks } from './types';

/** Counts and times go on without an event, so this is read again now and then while it is shown. */
const READ_AGAIN_MS = 10_000;

export const webhooksQuery = queryOptions({
  queryKey: ['webhooks'],
  queryFn: ({ signal }): Promise<Webhooks> => unwrap(client.GET('/webhooks', { signal })),
  refetchInterval: READ_AGAIN_MS,
});

/** `names` null: every event. */
export interface WebhookFields {
  url: string;
  names: string[] | null;
  description: string;
}

export function addWebhook(webhook: WebhookFields): Promise<CreatedWebhook> {
  return unwrap(client.POST('/webhooks', { body: webhook }));
}

export function changeWebhook(
  webhookId: number,
  change: Partial<WebhookFields & { isActive: boolean }>,
): Promise<Webhook> {
  return unwrap(client.PATCH('/webhooks/{webhookId}', { params: { path: { webhookId } }, body: change }));
}

export function removeWebhook(webhookId: number): Promise<void> {
  return done(client.DELETE('/webhooks/{webhookId}', { params: { path: { webhookId } } }));
}

export function testWebhook(webhookId: number): Promise<DeliveryOutcome> {
  return unwrap(client.POST('/webhooks/{webhookId}/test', { params: { path: { webhookId } } }));
}

export function retryWebhook(webhookId: number): Promise<Webhook> {
  return unwrap(client.POST('/webhooks/{webhookId}/retry', { params: { path: { webhookId } } }));
}

/** `atOnce`: the secret before counts no more; else both sign for a time. */
export function rotateSecret(webhookId: number, atOnce: boolean): Promise<CreatedWebhook> {
  return unwrap(
    client.POST('/webhooks/{webhookId}/rotate', { params: { path: { webhookId } }, body: { atOnce } }),
  );
}
