-- pair_count: how many pairs a rule makes on its own, and the records of its largest block.
select rule, sum(records * (records - 1) // 2 - alike) as pairs, max(records) as largest
from block_size
group by rule;
