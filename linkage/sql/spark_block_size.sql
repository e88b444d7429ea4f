-- block_size: a block, how many records it holds, and how many of its pairs are of one duplicate-free group.
select rule, block, sum(records) as records, sum(case when dup_group is null then 0 else records * (records - 1) // 2 end) as alike
from (select rule, block, dup_group, count(*) as records from block group by rule, block, dup_group) as grouped
group by rule, block
having sum(records) > 1;
