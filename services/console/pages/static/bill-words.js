// What is wrong with a bill, as services/donation/reconciliation/bill_formats.py and bill_lines.py say it, in Chinese.

const RULES = [
  [/^line (\d+): (.+)$/s, (_, number, rule) => `第 ${number} 行：${billRule(rule)}`],
  [/^(\S+) is missing or no identifier of at most 64 characters$/, "$1 空缺，或不是 64 个字以内的编号"],
  [/^(\S+) is missing$/, "$1 空缺"],
  [/^(\S+) is none of (.+)$/, "$1 只能是 $2"],
  [/^amount_fen is not between 1 and the most a donation can be$/, "amount_fen 须大于 0，且不超过一笔捐赠的上限"],
  [/^(\S+) is not between 0\.01 yuan and the most a donation can be$/, "$1 须不小于 0.01 元，且不超过一笔捐赠的上限"],
  [/^(\S+) is not a whole number of fen$/, "$1 须为整数（分）"],
  [/^(\S+) is finer than one fen$/, "$1 不能细于一分"],
  [/^(\S+) is not an amount in yuan$/, "$1 不是金额（元）"],
  [/^(\S+) is not a time like (.+)$/, "$1 须为时间，如 $2"],
  [/^(\S+) is a time no calendar has$/, "$1 不是有效的时间"],
  [/^the same (payment|refund) as line (\d+)$/, (_, kind, line) => `与第 ${line} 行是同一笔${kind === "refund" ? "退款" : "付款"}`],
  [/^is of (\d{4}-\d\d-\d\d)$/, "是 $1 的，不是所选日期的"],
  [/^The bill has no column (.+)\.$/, "账单没有“$1”这一列，请核对格式"],
  [/^The bill is not text in .+\.$/, "账单不是这种格式的文字文件，请核对格式，或向渠道要原文件"],
  [/^The bill is not CSV: .+\.$/, "账单不是 CSV，请向渠道要原文件"],
  [/^The bill has more than (\d+) lines\.$/, "账单超过 $1 行"],
  [/^The bill ends before its (?:sums|closing lines): fetch it again\.$/, "账单不完整，缺末尾的合计，请重新下载"],
  [/^The bill has no heading that begins with (.+)\.$/, "账单没有以“$1”开头的表头，请核对格式"],
];

/** What was said, in Chinese; as it was said where there are no words for it here. */
export function billRule(said) {
  const found = RULES.find(([rule]) => rule.test(said));
  return found ? said.replace(...found) : said;
}
