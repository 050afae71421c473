/** The server's models under short names; what they hold is generated from its OpenAPI document. */
import type { components } from './schema';

type Schemas = components['schemas'];

export type Session = Schemas['Session'];
export type Role = Schemas['SessionUser']['role'];
export type Right = Schemas['SessionUser']['rights'][number];
export type StudyRow = Schemas['StudyRow'];
export type StudyPage = Schemas['StudyPage'];
export type Study = Schemas['Study'];
export type SeriesRow = Schemas['SeriesRow'];
export type PersonName = Schemas['PersonName'];
export type UploadResult = Schemas['UploadResult'];
export type User = Schemas['User'];
export type Token = Schemas['Token'];
export type CreatedToken = Schemas['CreatedToken'];
export type Peer = Schemas['Peer'];
export type Service = Schemas['NewPeer']['allow'][number];
export type UnknownPeer = Schemas['UnknownPeer'];
export type EchoOutcome = Schemas['EchoOutcome'];
export type Job = Schemas['Job'];
export type JobState = Job['state'];
export type JobCounts = Schemas['JobCounts'];
export type Storage = Schemas['Storage'];
export type ConflictRow = Schemas['ConflictRow'];
export type RefusalRow = Schemas['RefusalRow'];
export type Deletion = Schemas['Deletion'];
export type AuditEntry = Schemas['AuditEntry'];
export type Health = Schemas['Health'];
export type HealthFinding = Schemas['HealthFinding'];
export type Webhook = Schemas['Webhook'];
export type Webhooks = Schemas['Webhooks'];
export type EventKind = Schemas['EventKind'];
export type CreatedWebhook = Schemas['CreatedWebhook'];
export type DeliveryOutcome = Schemas['DeliveryOutcome'];
