import { useTranslation } from 'react-i18next';
import type { HealthFinding } from '@/api/types';

type Sentence = NonNullable<HealthFinding['said']>;
type Word = (key: string, fallback: string, values?: Record<string, unknown>) => string;

/** What a fault is, means and asks for. */
export interface FaultText {
  title: string;
  means: string;
  whatToDo: string;
}

function useWord(): Word {
  const { t, i18n } = useTranslation();
  return (key, fallback, values) =>
    i18n.exists(key) ? t(key as 'health.title', values ?? {}).trim() : fallback;
}

/** A kind of fault in the words of the screen; one that it does not know stays as the server said it. */
export function useFaultText(): (code: string, said: FaultText) => FaultText {
  const word = useWord();
  return (code, said) => ({
    title: word(`health.faults.${code}.title`, said.title),
    means: word(`health.faults.${code}.means`, said.means),
    whatToDo: word(`health.faults.${code}.whatToDo`, said.whatToDo),
  });
}

/** A finding in the words of the screen: its subject, what was found, and what that means. */
export function useFindingText(): (finding: HealthFinding) => FaultText & { subject: string; what: string } {
  const word = useWord();
  const faultText = useFaultText();
  const say = (sentence: Sentence | null, text: string): string => {
    if (!sentence) return text;
    const values: Record<string, unknown> = {};
    for (const [name, value] of Object.entries(sentence.values)) {
      values[name] = typeof value === 'object' ? say(value, '') : value;
    }
    return word(`health.sentences.${sentence.code}`, text, values);
  };
  return (finding) => {
    const subject = word(`health.subjects.${finding.subject}`, finding.subject);
    const what = say(finding.said, finding.what);
    const told = { title: finding.title || subject, means: finding.means, whatToDo: finding.whatToDo };
    const fault = finding.code ? faultText(finding.code, told) : told;
    const isOwn = finding.saidToDo !== null || finding.code === 'other';
    return {
      ...fault,
      subject,
      what,
      whatToDo: isOwn ? say(finding.saidToDo, finding.whatToDo) : fault.whatToDo,
    };
  };
}
