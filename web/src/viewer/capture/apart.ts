import { useSpace } from '../state/space';

/** Does work that moves viewports while none follows another, since those that do would stay where they were led. */
export async function apart<Result>(work: () => Promise<Result>): Promise<Result> {
  const { links, sizing } = useSpace.getState();
  useSpace.setState({ links: { place: false, window: false, view: false }, sizing: 'fit' });
  try {
    return await work();
  } finally {
    useSpace.setState({ links, sizing });
  }
}
