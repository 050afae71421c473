import { useSpace } from '../state/space';

let isWorking = false;

/** Whether viewports are drawn for a file, and not for somebody who looks at them. */
export const isApart = (): boolean => isWorking;

/** Does work that moves viewports while none follows another, since those that do would stay where they were led. */
export async function apart<Result>(work: () => Promise<Result>): Promise<Result> {
  const { links, sizing } = useSpace.getState();
  isWorking = true;
  useSpace.setState({ links: { place: false, window: false, view: false }, sizing: 'fit' });
  try {
    return await work();
  } finally {
    isWorking = false;
    useSpace.setState({ links, sizing });
  }
}
