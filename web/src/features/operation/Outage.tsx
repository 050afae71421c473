import { useQuery } from '@tanstack/react-query';
import { readinessQuery } from '@/api/operation';
import { FaultCard } from './FaultCard';
import { useFaultText } from './findings';
import classes from './Health.module.css';

/** Why the server cannot serve, as far as it may tell anyone: it can while its database is away. Else nothing. */
export function Outage() {
  const faultText = useFaultText();
  const readiness = useQuery(readinessQuery);
  const faults = readiness.data?.faults ?? [];
  if (faults.length === 0) return null;
  return (
    <div className={classes.outage} role="status">
      {faults.map((fault) => (
        <FaultCard
          key={fault.code}
          level="problem"
          {...faultText(fault.code, { ...fault, title: fault.what })}
          since={fault.since}
        />
      ))}
    </div>
  );
}
