export const ADMIN_SECTIONS = [
  'health',
  'people',
  'peers',
  'webhooks',
  'jobs',
  'storage',
  'deletions',
  'audit',
] as const;
export type AdminSection = (typeof ADMIN_SECTIONS)[number];

export function isAdminSection(text: string): text is AdminSection {
  return ADMIN_SECTIONS.some((section) => section === text);
}
