import type { Service, UnknownPeer } from '@/api/types';

/** AE titles and hosts as the server takes them (PS3.5 6.2, AE: 16 characters, no backslash, no control characters). */
export function isAeTitle(text: string): boolean {
  return /^[\x20-\x5b\x5d-\x7e]{1,16}$/.test(text) && text.trim() !== '';
}

/**
 * What a stranger evidently wants, from the SOP classes it proposed: this much is ticked when it is admitted, and a
 * person decides. The classes are told apart by how their UIDs begin (PS3.4).
 */
export function servicesWanted(unknown: Pick<UnknownPeer, 'proposed'>): Service[] {
  const wanted = new Set<Service>(['echo']);
  for (const { uid } of unknown.proposed) {
    if (uid.startsWith('1.2.840.10008.5.1.4.1.2.')) {
      // Query/Retrieve models end in 1 for C-FIND, 2 for C-MOVE, 3 for C-GET.
      wanted.add('query');
      if (!uid.endsWith('.1')) wanted.add('retrieve');
    } else if (uid.startsWith('1.2.840.10008.5.1.4.1.1.')) {
      wanted.add('store');
    } else if (uid === '1.2.840.10008.1.20.1') {
      wanted.add('commit');
    } else if (uid === '1.2.840.10008.5.1.4.34.6.1' || uid === '1.2.840.10008.5.1.4.34.6.3') {
      wanted.add('worklist'); // Unified Procedure Step, Push and Pull
    } else if (uid.startsWith('1.2.840.10008.5.1.4.34.6.')) {
      wanted.add('query'); // Watch and Query only read
    }
  }
  const order: Service[] = ['echo', 'store', 'query', 'retrieve', 'commit', 'worklist'];
  return order.filter((service) => wanted.has(service));
}
