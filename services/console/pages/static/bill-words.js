// What is wrong with a bill or a statement, as services/donation/reconciliation/bill_*.py and
// services/donation/statements/ say it, in Chinese.

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
  [/^The file has more than (\d+) bytes\.$/, "文件超过 $1 字节"],
  [/^The file has more than (\d+) (?:lines|payments)\.$/, "文件超过 $1 行"],
  [/^The file is empty\.$/, "文件是空的"],
  [/^The file has been deleted\.$/, "文件已删除"],
  [/^An old Excel file \(\.xls\), or one with a password: save it as \.xlsx\.$/, "是旧式 Excel（.xls），或加了密码：请另存为 .xlsx"],
  [/^There is no header line with these columns among the first (\d+) lines: (.+)\.$/, "前 $1 行里没有含这些列的表头：$2。请核对渠道的账单格式"],
  [/^The header line has the column (.+) twice\.$/, "表头里“$1”出现了两次"],
  [/^Line (\d+) has more than (\d+) columns\.$/, "第 $1 行超过 $2 列"],
  [/^Row (\d+) reaches beyond column (\d+)\.$/, "第 $1 行超过 $2 列"],
  [/^Line (\d+): a quotation mark is not closed\.$/, "第 $1 行：引号没有成对"],
  [/^Line (\d+) is not CSV: .+\.$/, "第 $1 行不是 CSV"],
  [/^Line (\d+) is not text in .+\.$/, "第 $1 行的文字编码不对，请核对渠道的账单格式"],
  [/^The file is not a workbook that can be read \(.+\)\.$/, "Excel 文件打不开，请重新导出"],
  [/^The workbook has no sheet (.+)\.$/, "Excel 里没有工作表“$1”"],
  [/^The workbook unpacks to more than (\d+) bytes\.$/, "Excel 解开后超过 $1 字节"],
  [/^A camt\.053 has no columns (.+); the profile asks for them\.$/, "camt.053 没有这些列：$1。请核对渠道的账单格式"],
  [/^The XML .+\.$/, "XML 不是 camt.053.001.02 至 .08"],
  [/^The file is not well-formed XML(?: at line \d+)?\.$/, "XML 不完整，请重新下载"],
  [/^An entry is too large, or nested too deeply\.$/, "有一笔太大，或层次太深"],
  [/^has no id of its own$/, "没有自己的编号"],
  [/^is empty$/, "空缺"],
  [/^is not an amount$/, "不是金额"],
  [/^has parts of a fen$/, "不能细于一分"],
  [/^is not more than zero, and no rule of the profile is for such a line$/, "须大于零：格式没有规定这种行"],
  [/^is not a time in a format of the profile$/, "不是约定格式的时间"],
  [/^is not CNY$/, "不是人民币"],
  [/^names more than one campaign: (.+)$/, "指向不止一个活动：$1"],
  [/^names no campaign that the profile knows$/, "没有格式认得的活动"],
  [/^has more than (\d+) characters$/, "超过 $1 个字"],
  [/^([^:]+): (.+)$/s, (_, column, rule) => `${column}：${billRule(rule)}`],
];

/** What was said in the page's language; as it was said where there are no words for it here. */
export const spokenOf = ({ code }, said) => (code === "zh" ? billRule(said) : said);

/** The same, in Chinese. */
export function billRule(said) {
  const found = RULES.find(([rule]) => rule.test(said));
  return found ? said.replace(...found) : said;
}
