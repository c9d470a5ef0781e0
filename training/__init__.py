"""Training and evaluation of networks on data sets and on folders of images."""
