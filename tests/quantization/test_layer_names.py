from __future__ import annotations

from types import SimpleNamespace

from quantization.layer_names import layer_node_names, rename_nodes


def test_numbered_scopes_go_back_to_layers():
    nodes = ["x", "net_1/conv_1/convolution", "net_1/conv_1_2/convolution", "net_1/relu_1/Relu6"]
    names = layer_node_names(nodes, frozenset({"conv", "conv_1", "relu"}), "net")
    assert names == {
        "net_1/conv_1/convolution": "conv/convolution",
        "net_1/conv_1_2/convolution": "conv_1/convolution",
        "net_1/relu_1/Relu6": "relu/Relu6",
    }


def test_scopes_opened_once_keep_their_numbers():
    nodes = ["net/conv/convolution", "net/conv_1/convolution"]
    names = layer_node_names(nodes, frozenset({"conv", "conv_1"}), "net")
    assert names["net/conv_1/convolution"] == "conv_1/convolution"


def test_names_stay_unique():
    nodes = ["conv/convolution", "net_1/conv_1/convolution"]
    assert layer_node_names(nodes, frozenset({"conv"}), "net") == {}


def test_references_follow():
    node = SimpleNamespace(name="a/b", input=["a/b:1", "^a/b", "c"], attr={"_class": 1})
    rename_nodes(SimpleNamespace(node=[node]), {"a/b": "z"})
    assert (node.name, node.input, node.attr) == ("z", ["z:1", "^z", "c"], {})
