-- change: one row per event of this release, numbered over all releases; a split has a row per successor.
create or replace table change as
with event as (
    select golden_id, kind, null::varchar as into_id from newcomer
    union
    select golden_id, 'changed', null from altered
    union
    select unnest([m.golden_id, m.to_id]), 'changed', null
    from moved m join fate f using (golden_id)
    where f.lives and m.to_id not in (select golden_id from newcomer)
    union
    select golden_id, case when len(successors) = 1 then 'merged' else 'split' end, unnest(successors)
    from departure where not lives and successors is not null
    union
    select golden_id, 'split', unnest(successors) from departure where lives
    union
    select golden_id, 'retired', null from departure where not lives and successors is null
)
select $next_seq::bigint - 1 + row_number() over (order by golden_id, kind, into_id) as seq,
       golden_id, kind, into_id, $release::integer as release, $as_of::date as at
from event
order by seq;
