-- one row per field and source: the disputes between independent sources that it won and lost.
with differing as (
    select distinct d.golden_id, d.field, d.source, v.voice from dispute d join voice v using (source)
), agreeing as (
    select golden_id, field, source, v.voice
    from (
        select golden_id, field, unnest(list_distinct(list_append(agree, source))) as source
        from provenance
        where valid_to is null and state in ('disputed', 'invalid')
    ) p
    join voice v using (source)
    anti join differing d using (golden_id, field, source)
), met as (
    select golden_id, field, a.source as winner, d.source as loser
    from agreeing a join differing d using (golden_id, field)
    where a.voice <> d.voice
), lost as (
    select field, loser as source, count(distinct golden_id) as lost from met group by all
), won as (
    select field, winner as source, count(distinct golden_id) as won from met group by all
)
select field, source, coalesce(w.won, 0), coalesce(l.lost, 0)
from won w full join lost l using (field, source)
order by field, source;
