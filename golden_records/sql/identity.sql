-- placed: one row per standard record; `head`, the smallest ordinal of its cluster, names the cluster.
create or replace temp table placed as
select s.ordinal, h.head
from standard s
join cluster c using (record_id)
join (
    select c.cluster_id, min(s.ordinal) as head
    from cluster c join standard s using (record_id)
    group by c.cluster_id
) h using (cluster_id);

-- minted: one row per id ever issued: the release it began in.
create or replace temp table minted as
select golden_id, min(since_release) as since_release
from previous_crosswalk
group by golden_id;

-- heir: one row per cluster that continues an id.
create or replace temp table heir (head bigint, golden_id varchar, origin varchar);
