"""Bills as the companies give them, with made-up numbers."""

from datetime import datetime
from typing import Any, Final

_WECHAT_HEADING: Final = (
    "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,"
    "应结订单金额,代金券金额,微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态,商品名称,商户数据包,"
    "手续费,费率,订单金额,申请退款金额,费率备注"
)
_WECHAT_SUMS: Final = (
    "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额"
)


def _wechat_row(
    time: str,
    order: str,
    state: str,
    amount: str,
    *,
    fee: str,
    refund: str = "",
    back: str = "0.00",
    pack: str = "",
) -> str:
    settled = amount if state == "SUCCESS" else "0.00"
    cells = (
        time, "wx0000000000000001", "1900000001", "0", "", order, f"gift-{order[-4:]}", "oUpF8uMuAJO",
        "JSAPI", state, "OTHERS", "CNY", settled, "0.00", refund or "0", (refund and "r-1") or "0", back,
        "0.00", "ORIGINAL" if refund else "", "SUCCESS" if refund else "", "慈善捐款, 助学", pack, fee,
        "0.60%", amount, back, "",
    )  # fmt: skip
    return ",".join("`" + cell for cell in cells)


def _wechat_file(*rows: str) -> bytes:
    return "\r\n".join(
        ["\ufeff" + _WECHAT_HEADING, *rows, _WECHAT_SUMS, "`3,`88.01,`30.00,`0.00,`0.35,`88.01,`30.00", ""]
    ).encode()


WECHATPAY: Final = _wechat_file(
    _wechat_row(
        "2027-01-17 20:03:11",
        "4200002089202701175478901234",
        "SUCCESS",
        "88.00",
        fee="0.52800",
        pack="c:gala-2027;n:王小明;d:n",
    ),
    _wechat_row("2027-01-17 20:03:12", "4200002089202701175478901235", "SUCCESS", "0.01", fee="0.00000"),
    _wechat_row(
        "2027-01-17 23:59:59",
        "4200002089202701175478901234",
        "REFUND",
        "88.00",
        fee="-0.18000",
        refund="50300602072027011740000000001",
        back="30.00",
    ),
)


def wechatpay_bill(*payments: tuple[str, str], at: str = "2027-01-17 20:00:00", pack: str = "") -> bytes:
    """A bill with these payments: order number and amount in yuan; `pack` is what their orders say."""
    return _wechat_file(
        *(_wechat_row(at, order, "SUCCESS", yuan, fee="0.00600", pack=pack) for order, yuan in payments)
    )


_ALIPAY_HEADING: Final = (
    "支付宝交易号,商户订单号,业务类型,商品名称,创建时间,完成时间,门店编号,门店名称,操作员,终端号,对方账户,"
    "订单金额（元）,商家实收（元）,支付宝红包（元）,集分宝（元）,支付宝优惠（元）,商家优惠（元）,券核销金额（元）,券名称,"
    "商家红包消费金额（元）,卡消费金额（元）,退款批次号/请求号,服务费（元）,分润（元）,备注"
)


def alipay_row(order: str, kind: str, time: str, amount: str, fee: str, refund: str = "") -> str:
    """A row of a bill of Alipay."""
    return (
        f"{order}\t,gift_1\t,{kind}\t,慈善捐款,2027-01-17 10:55:16,{time},\t,\t,\t,\t,*小明(135***@qq.com)\t,"
        f"{amount},{amount},0.00,0.00,0.00,0.00,0.00,,0.00\t,0.00,{refund}\t,{fee},0.00,备注"
    )


def alipay_bill(*rows: str) -> bytes:
    """A bill with these rows."""
    line = "#-----------------------------------------业务明细列表"
    return "\r\n".join(
        [
            "#支付宝业务明细查询",
            "#账号：[20880000000000000156]",
            "#起始日期：[2027年01月17日 00:00:00]   终止日期：[2027年01月18日 00:00:00]",
            line + "----------------------------------------",
            _ALIPAY_HEADING,
            *rows,
            line + "结束------------------------------------",
            "#导出时间：[2027年01月18日 09:10:00]",
            "",
        ]
    ).encode("gb18030")


ALIPAY: Final = alipay_bill(
    alipay_row("2027011722001458860515315453", "交易", "2027-01-17 10:55:23", "20.00", "-0.12"),
    alipay_row(
        "2027011722001458860515315453", "退款", "2027-01-17 10:56:48", "-5.00", "0.03", "re_1568602607356"
    ),
)


def a_line(transaction_id: str, amount_fen: int, at: datetime | str, **more: Any) -> str:
    """A line of a plain bill: a payment, or with `reversal_id` a refund."""
    kind = "refund" if "reversal_id" in more else "payment"
    time = at if isinstance(at, str) else at.isoformat()
    rest = (more.get("fee_fen", ""), time, more.get("reversal_id", ""), more.get("campaign_id", ""))
    return ",".join(map(str, (transaction_id, kind, amount_fen, *rest)))


def plain_file(*lines: str) -> bytes:
    """A plain bill of these lines."""
    heading = "transaction_id,kind,amount_fen,fee_fen,occurred_at,reversal_id,campaign_id"
    return "\n".join([heading, *lines, ""]).encode()


def plain_bill(*payments: tuple[str, int], at: str = "2027-01-17T20:00:00+08:00") -> bytes:
    """A plain bill of payments: transaction id and amount in fen."""
    return plain_file(*(a_line(transaction_id, fen, at) for transaction_id, fen in payments))
