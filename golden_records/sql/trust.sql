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
), lost as (
    select field, source, count(*) as lost
    from (
        select d.golden_id, d.field, d.source
        from differing d join agreeing a using (golden_id, field)
        where a.voice <> d.voice
        group by all
    )
    group by all
), won as (
    select field, source, count(*) as won
    from (
        select a.golden_id, a.field, a.source
        from agreeing a join differing d using (golden_id, field)
        where a.voice <> d.voice
        group by all
    )
    group by all
)
select field, source, coalesce(w.won, 0), coalesce(l.lost, 0)
from won w full join lost l using (field, source)
order by field, source;
