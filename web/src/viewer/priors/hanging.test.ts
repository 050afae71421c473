import { beforeEach, describe, expect, it } from 'vitest';
import { forgetPriors, type Hanging, hangFirst, usePriors } from './hanging';

/** Hangs what is named so, and refuses the rest; tells in which order it was asked. */
function hanging(outcomes: Record<string, Hanging['kind']>) {
  const asked: string[] = [];
  const hang = async (studyInstanceUid: string): Promise<void> => {
    asked.push(studyInstanceUid);
    const kind = outcomes[studyInstanceUid] ?? 'refused';
    if (kind === 'none') forgetPriors();
    else if (kind === 'refused')
      usePriors.setState({ hanging: { kind, studyInstanceUid, reason: 'otherPatient' } });
    else usePriors.setState({ hanging: { kind, studyInstanceUid } });
    await Promise.resolve();
  };
  return { asked, hang };
}

describe('the best prior', () => {
  beforeEach(forgetPriors);

  it('is the next one when the first is refused', async () => {
    const { asked, hang } = hanging({ '1.2': 'hung' });
    await hangFirst(['1.1', '1.2', '1.3'], hang);
    expect(asked).toEqual(['1.1', '1.2']);
    expect(usePriors.getState().hanging).toEqual({ kind: 'hung', studyInstanceUid: '1.2' });
  });

  it('is none when all are refused, of which no more than four are tried', async () => {
    const { asked, hang } = hanging({ '1.5': 'hung' });
    await hangFirst(['1.1', '1.2', '1.3', '1.4', '1.5'], hang);
    expect(asked).toEqual(['1.1', '1.2', '1.3', '1.4']);
    expect(usePriors.getState().hanging.kind).toBe('refused');
  });

  it('is no longer looked for when the reader has gone on', async () => {
    const { asked, hang } = hanging({ '1.1': 'none', '1.2': 'hung' });
    await hangFirst(['1.1', '1.2'], hang);
    expect(asked).toEqual(['1.1']);
  });
});
