/**
 * Bash: waits until $DATABASE_PORT of $DATABASE_HOST answers, for two minutes at most. While the primary changes nobody does,
 * and without this a Job would spend all its attempts on it. $ANSWER_SECONDS is another time.
 */
export const untilAnswering = `
until (exec 3<>"/dev/tcp/$DATABASE_HOST/$DATABASE_PORT") 2>/dev/null || [ $SECONDS -ge \${ANSWER_SECONDS:-120} ]; do sleep 2; done
`.trim()
