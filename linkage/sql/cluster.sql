-- cluster: a standard record and its cluster, named after its member with the smallest ordinal.
create or replace table cluster as
select member.record_id, head.record_id as cluster_id
from label
join standard as member on member.ordinal = label.ordinal
join standard as head on head.ordinal = label.head;

-- refusal: an accepted pair whose union a constraint refused.
create or replace table refusal as
select l.record_id as record_l, r.record_id as record_r, refused.match_weight, refused.reason
from refused
join standard as l on l.ordinal = refused.ordinal_l
join standard as r on r.ordinal = refused.ordinal_r;
