import { createSpotlight } from '@mantine/spotlight';

/** The palette's store, so that keys and buttons can open it. */
export const [paletteStore, palette] = createSpotlight();
